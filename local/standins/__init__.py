"""Stand-ins for the providers: own processes on loopback that speak a provider's wire format and play its faults."""
