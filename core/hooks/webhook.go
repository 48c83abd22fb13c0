package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/stentor-net/stentor/core/config"
)

const (
	tries     = 3
	firstWait = time.Second // before the second try; four times that before the third
	maxAnswer = 64 << 10    // bytes of an answer that are read, so that the connection can be used again
)

// post sends m to a web server. What may pass is tried again.
func (r *Runner) post(ctx context.Context, cfg config.Hook, m message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	wait := firstWait
	for try := 1; ; try++ {
		again, err := r.postOnce(ctx, cfg, body)
		if err == nil {
			return nil
		}
		if !again || try == tries {
			return fmt.Errorf("after %d of %d tries: %w", try, tries, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the daemon ends; the last try: %w", err)
		case <-time.After(wait):
		}
		wait *= 4
	}
}

func (r *Runner) postOnce(ctx context.Context, cfg config.Hook, body []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, cfg.URL, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "stentor")
	if cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+cfg.Token)
	}
	// Whoever answers must not be able to send the token elsewhere.
	client := http.Client{Transport: r.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return true, tidy(err, req.URL, cfg.Timeout)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	switch {
	case resp.StatusCode < 300:
		return false, nil
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode >= 500:
		return true, fmt.Errorf("%s answered %s", req.URL.Host, resp.Status)
	case resp.StatusCode < 400:
		return false, fmt.Errorf("%s answered %s; redirects are not followed, name the right url", req.URL.Host, resp.Status)
	default:
		return false, fmt.Errorf("%s answered %s", req.URL.Host, resp.Status)
	}
}

// tidy says what went wrong without the path of the url, in which many services
// have their secret.
func tidy(err error, u *url.URL, timeout time.Duration) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s did not answer within %s", u.Host, timeout)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("%s: %w", u.Host, err)
}
