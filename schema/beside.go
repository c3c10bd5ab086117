package schema

import (
	"context"
	"database/sql"
)

// answer is what a query gave, row by row.
type answer [][]sql.NullString

// beside asks queries about the database, one after the other, while others are asked: over another connection, if r's questions are not bound
// to one. It returns what waits for the answer to each, in their order, and what waits for the end of all.
func (r *reader) beside(ctx context.Context, queries ...string) (answers []func() (answer, error), end func()) {
	if _, pool := r.q.(*sql.DB); !pool {
		for _, q := range queries {
			answers = append(answers, func() (answer, error) { return r.ask(ctx, q) })
		}
		return answers, func() {}
	}
	type result struct {
		rows answer
		err  error
	}
	done := make(chan struct{})
	var came []chan result
	for range queries {
		c := make(chan result, 1)
		came = append(came, c)
		answers = append(answers, func() (answer, error) {
			got := <-c
			return got.rows, got.err
		})
	}
	go func() {
		defer close(done)
		for i, q := range queries {
			rows, err := r.ask(ctx, q)
			came[i] <- result{rows, err}
		}
	}()
	return answers, func() { <-done }
}

// ask returns all that a query about the database gives.
func (r *reader) ask(ctx context.Context, query string) (out answer, err error) {
	rows, err := r.q.QueryContext(ctx, query, r.cat.Database)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	into := make([]any, len(names))
	for rows.Next() {
		row := make([]sql.NullString, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}
