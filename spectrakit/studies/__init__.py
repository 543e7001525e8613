"""The protocol of each study, made of the other rooms of the package."""
