"""What figures and pages are made of; nothing here knows what they show."""
