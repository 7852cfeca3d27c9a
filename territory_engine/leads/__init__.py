"""Leads: reading them, matching them to owners and places, who may take each, and where every rep stands."""
