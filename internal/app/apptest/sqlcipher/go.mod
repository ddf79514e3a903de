// A module of its own, so that the program does not get its dependency.
module sqlcipher

go 1.25

require github.com/mutecomm/go-sqlcipher/v4 v4.4.2
