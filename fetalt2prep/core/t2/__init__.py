"""Relaxometry: from echoes to T2, S0 and doubt."""
