"""The ground floor: what every stage needs and no stage owns."""
