"""A stand-in for an agent: reads its input, writes its output."""

with open("/app/data/x", encoding="utf-8") as f:
    question = f.read()
with open("/app/output/x", "w", encoding="utf-8") as f:
    f.write(question.upper())
print("main.py: read /app/data/x, wrote /app/output/x")
