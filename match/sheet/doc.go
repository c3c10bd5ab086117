// Package sheet writes the report of package match for people, as CSV for a spreadsheet and as a page of HTML, and reads the decisions that
// they wrote into the CSV.
//
// It promises: no cell of a CSV is taken for a formula by a spreadsheet, and no text on the page for HTML; the page needs no network. What
// comes back from a spreadsheet is taken as it is saved: with commas, semicolons or tabs, with or without a byte order mark, in another order
// of lines and columns. A file is bounded, and what is wrong in it is said with its line.
package sheet
