"""HTTP: the frame around handlers, schemas, cookies, texts."""
