"""Files that lie in an object store such as S3: read through a bounded local cache, written whole."""
