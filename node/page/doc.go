// Package page is what people look at: how it is going with a node and its peers, rows that wait, conflicts, and what to do about them.
//
// It is HTML from the server, without scripts. What it shows it asks of the packages of which the commands ask it; what it does, it has a
// command do ([Options].Run), so that there is one way to do a thing. It promises: each route names the right that it needs, and one place
// asks for it; who may see no patients' rows is not sent any; what somebody wrote elsewhere is text here, and in one piece; every act, and
// every look at patients' rows, is in the audit log before it happens.
package page
