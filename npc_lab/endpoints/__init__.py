"""Where replies come from. The core knows nothing of this room."""
