package clinic

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node/clinic/ddl"
	"github.com/omsync/omsync/schema"
)

// ours is what the names of omsync's tables and triggers begin with.
const ours = "omsync_"

// alterDatabase gives the new database the character set of this one, as far as its server has it.
func (w *writer) alterDatabase(charset, collation string) {
	w.printf("ALTER DATABASE CHARACTER SET %s%s;\n", charset, ddl.Collation(" COLLATE ", collation))
}

// tables writes the tables, without rows.
func (w *writer) tables(ctx context.Context) error {
	names, err := w.strings(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'SEQUENCE' ORDER BY table_name")
	if err != nil {
		return err
	}
	for _, name := range names { // only MariaDB has them
		statement, _, err := w.show(ctx, "SEQUENCE", name, 1)
		if err != nil {
			return err
		}
		w.printf("\n%s;\n", statement)
	}
	for _, t := range w.Catalogue.Tables {
		statement, _, err := w.show(ctx, "TABLE", t.Name, 1)
		if err != nil {
			return err
		}
		w.printf("\n%s;\n", ddl.Table(statement))
		w.written.Tables++
	}
	return nil
}

// show returns what SHOW CREATE prints in one of its columns, and the sql_mode that it tells of routines and triggers.
func (w *writer) show(ctx context.Context, what, name string, column int) (statement, mode string, err error) {
	err = w.each(ctx, "SHOW CREATE "+what+" "+schema.Quote(name), func(r []sql.RawBytes) error {
		if r[column] == nil {
			return failure.Hinted(fmt.Errorf("this account may not see the text of the %s %s", strings.ToLower(what), name),
				"as an administrator: GRANT SELECT ON mysql.proc (from MySQL 8 on: GRANT SHOW_ROUTINE ON *.*) TO it, or run this with an administrator's account")
		}
		statement, mode = string(r[column]), string(r[1])
		return nil
	})
	if err != nil && what == "VIEW" {
		err = failure.Hinted(err, "as an administrator: GRANT SHOW VIEW ON %s.* to the account", schema.Quote(w.Catalogue.Database))
	}
	return statement, mode, err
}

// routines writes the application's procedures and functions.
func (w *writer) routines(ctx context.Context) error {
	for _, what := range []string{"FUNCTION", "PROCEDURE"} {
		names, err := w.strings(ctx, "SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE() AND routine_type = '"+what+"' ORDER BY routine_name")
		if err != nil {
			return err
		}
		for _, name := range names {
			statement, mode, err := w.show(ctx, what, name, 2)
			if err != nil {
				return err
			}
			w.code(ddl.WithoutDefiner(statement), mode)
		}
	}
	return nil
}

// views writes the application's views, each after those that it names.
func (w *writer) views(ctx context.Context) error {
	names, err := w.strings(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'VIEW'")
	if err != nil {
		return err
	}
	views := map[string]string{}
	for _, name := range names {
		if strings.HasPrefix(strings.ToLower(name), ours) {
			continue
		}
		statement, _, err := w.show(ctx, "VIEW", name, 1)
		if err != nil {
			return err
		}
		views[name] = ddl.View(statement)
	}
	for _, name := range ddl.Order(views) {
		w.code(views[name], "")
	}
	return nil
}

// triggers writes the application's triggers. They come after the rows, which they were not to see.
func (w *writer) triggers(ctx context.Context) error {
	names, err := w.strings(ctx, "SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() ORDER BY event_object_table, action_timing, event_manipulation, action_order")
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(strings.ToLower(name), ours) })
	for _, name := range names {
		statement, mode, err := w.show(ctx, "TRIGGER", name, 2)
		if err != nil {
			return err
		}
		w.code(ddl.WithoutDefiner(statement), mode)
	}
	return nil
}

// code writes a statement that may hold the end of a statement.
func (w *writer) code(statement, mode string) {
	if mode != "" {
		w.printf("\nSET @omsync_mode = @@sql_mode, sql_mode = '%s';", ddl.Mode(mode))
	}
	end := ddl.Delimiter(statement)
	w.printf("\nDELIMITER %[1]s\n%[2]s%[1]s\nDELIMITER ;\n", end, statement)
	if mode != "" {
		w.printf("SET sql_mode = @omsync_mode;\n")
	}
}
