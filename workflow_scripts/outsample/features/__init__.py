"""What the policy sees: causal, scale-free features of bars, and the audit that proves them causal."""
