package directory

// LinkLife is how long a one-time link can be used.
const LinkLife = linkLife
