"""The avatar, a dialogue system: somebody asks a question, and a portrait answers in Korean."""
