"""An avatar: somebody asks, and a portrait answers in Korean (a dialogue system on the units' side roads)."""
