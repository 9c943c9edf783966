exec python3 /work/files.py
