// Package tomlfile reads a TOML file that people write, strictly, and knows the line of every key in it.
//
// It promises: whatever is wrong with a file is said with its line, be it found here or by the caller, who asks for a key's line; a
// key that the program does not know is an error; and no error quotes a value of the file, which may be a password.
package tomlfile
