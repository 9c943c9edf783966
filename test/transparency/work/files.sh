exec python3 /job/files.py
