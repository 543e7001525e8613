"""What a network looked at (Grad-CAM), and whether that can be believed (audits)."""
