"""What hub and gateway share on a real computer: store, MQTT link, chain, key files, configuration (ADR-0002)."""
