// Package words puts sentences into a person's language: English, French, Portuguese or Spanish.
//
// A sentence is its English form; the catalogues, a file for each language, have the others. It promises: every text has all languages
// (a test finds those that lack one), numbers have the plural of their language, and what a text is about is put in as it is, so that
// whoever prints it makes it harmless.
package words
