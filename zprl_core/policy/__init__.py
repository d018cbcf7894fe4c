"""The base policy: image encoder, conditional flow over action chunks, normalisers (section III-B)."""
