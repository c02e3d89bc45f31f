"""Other networks, trained and measured like ours: timm's small networks, the baselines, and the original PFLD."""
