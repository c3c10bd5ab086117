package hub

import (
	"context"
	"sync"
	"time"

	"github.com/omsync/omsync/transport/web"
)

// queue is what is to be done for nodes, in the order in which they came.
type queue struct {
	mu    sync.Mutex
	jobs  map[string]*job // by node
	order []string
	wake  chan struct{}
}

func newQueue() *queue { return &queue{jobs: map[string]*job{}, wake: make(chan struct{}, 1)} }

// job is what is to be done for one node. All who wait for it share its outcome.
type job struct {
	imports bool
	done    chan struct{}
	results map[string]web.Receipt // by file
	err     error
	also    *job // an earlier one of the same node, to be ended with this one
}

// wait reports whether the job was done in time.
func (j *job) wait(ctx context.Context) bool {
	select {
	case <-j.done:
		return true
	case <-ctx.Done():
	case <-time.After(answerWithin):
	}
	return false
}

// ask puts a node into the queue, once.
func (q *queue) ask(node string, imports bool) *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := q.jobs[node]
	if j == nil {
		j = &job{done: make(chan struct{}), results: map[string]web.Receipt{}}
		q.jobs[node] = j
		q.order = append(q.order, node)
	}
	j.imports = j.imports || imports
	q.rouse()
	return j
}

// rouse has the worker look into its queue.
func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take takes a few jobs off the queue.
func (q *queue) take(n int) map[string]*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	names := q.order[:min(len(q.order), n)]
	q.order = q.order[len(names):]
	jobs := map[string]*job{}
	for _, name := range names {
		jobs[name] = q.jobs[name]
		delete(q.jobs, name)
	}
	return jobs
}

// othersWait reports whether a node waits for an import that is none of these jobs'.
func (q *queue) othersWait(jobs map[string]*job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name, j := range q.jobs {
		if j.imports && jobs[name] == nil {
			return true
		}
	}
	return false
}

// end tells those who wait that a job is done, once.
func (j *job) end(err error) {
	select {
	case <-j.done:
	default:
		j.err = err
		close(j.done)
	}
}
