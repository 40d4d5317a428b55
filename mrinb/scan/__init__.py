"""What networks of several training pools make of one scan: ``mrinb reconstruct``.

``source`` reads a scan of any form, ``methods`` reconstructs and scores it, ``page`` shows it.
"""
