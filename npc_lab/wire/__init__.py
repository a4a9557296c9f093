"""What is sent to an endpoint, and what comes back."""
