"""OPC UA: sessions, subscriptions and reads, certificates, and the diagnosis of refused connections."""
