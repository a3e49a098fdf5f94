// The same gateway as a Go team would write it: net/http, golang-jwt, x/time/rate, singleflight and
// client_golang. It has what a read needs, for a fair race: tokens verified once and rooms encoded
// once, a limiter for each user, a histogram, request ids, ETags and the gateway's headers.
//
// It lacks stale rooms, the anchor's shape, the repair of fields, a breaker, retries, a bound on
// requests in flight, CORS, cookies, traces, an access log and a bound on its maps but for age.
//
// Settings are BFF_… variables. BFF_CACHE=off makes every read a miss, BFF_METRICS=off counts nothing.
package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

const (
	fresh    = 2 * time.Second
	timeout  = 3 * time.Second
	requests = 999_999_999 // a minute: each is counted, none refused
	route    = "/v1/rooms/{id}"
)

// Room is what viewers see: it has no push_url.
type Room struct {
	LiveID       string            `json:"live_id"`
	Title        string            `json:"title"`
	Notice       string            `json:"notice"`
	CoverURL     string            `json:"cover_url"`
	Extends      map[string]string `json:"extends"`
	Anchor       Anchor            `json:"anchor_info"`
	AnchorStatus int               `json:"anchor_status"`
	PkID         string            `json:"pk_id"`
	OnlineCount  int               `json:"online_count"`
	StartTime    int64             `json:"start_time"`
	EndTime      int64             `json:"end_time"`
	ChatID       int64             `json:"chat_id"`
	HlsURL       string            `json:"hls_url"`
	RtmpURL      string            `json:"rtmp_url"`
	FlvURL       string            `json:"flv_url"`
	Pv           int64             `json:"pv"`
	Uv           int64             `json:"uv"`
	LiveStatus   int               `json:"live_status"`
}

// Anchor is a room's anchor, as viewers see them.
type Anchor struct {
	UserID   string            `json:"user_id"`
	ImUserID int64             `json:"im_userid"`
	Nick     string            `json:"nick"`
	Avatar   string            `json:"avatar"`
	Extends  map[string]string `json:"extends"`
}

// encoded is a room as it is sent: body and header values, made once.
type encoded struct {
	body         []byte
	length, etag []string
	until        time.Time
}

// caller is a verified token: until when it holds, and its user's limiter.
type caller struct {
	until   time.Time
	limiter *rate.Limiter
}

type gateway struct {
	upstream  *url.URL
	client    *http.Client
	accessKey string
	secretKey []byte
	jwtSecret []byte
	caches    bool

	rooms, callers, limiters sync.Map
	flights                  singleflight.Group
	process                  string
	count                    atomic.Uint64
	seconds                  *prometheus.HistogramVec
	ofHits                   prometheus.Observer
}

var (
	errUnauthorized = errors.New("unauthorized")

	jsonType, vary, nosniff = []string{"application/json"}, []string{"Authorization"}, []string{"nosniff"}
	hit, miss               = []string{"gateway; hit"}, []string{"gateway; fwd=miss"}
	limit, reset            = []string{strconv.Itoa(requests)}, []string{"1"}
)

func main() {
	upstream, err := url.Parse(os.Getenv("BFF_UPSTREAM"))
	if err != nil {
		log.Fatal(err)
	}
	random := make([]byte, 5)
	rand.Read(random)
	pool := &http.Transport{MaxConnsPerHost: 100, MaxIdleConnsPerHost: 100, DisableCompression: true}
	g := &gateway{
		upstream:  upstream,
		client:    &http.Client{Transport: pool},
		accessKey: os.Getenv("BFF_ACCESS_KEY"),
		secretKey: []byte(os.Getenv("BFF_SECRET_KEY")),
		jwtSecret: []byte(os.Getenv("BFF_JWT_SECRET")),
		caches:    os.Getenv("BFF_CACHE") != "off",
		process:   hex.EncodeToString(random),
	}
	if os.Getenv("BFF_METRICS") != "off" {
		g.seconds = prometheus.NewHistogramVec(
			prometheus.HistogramOpts{Name: "http_request_duration_seconds", Help: "Time to answer."},
			[]string{"method", "route", "status"},
		)
		prometheus.MustRegister(g.seconds)
		g.ofHits = g.seconds.WithLabelValues("GET", route, "200")
	}
	go g.forget()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+route, g.serve)
	server := &http.Server{
		Addr:              "127.0.0.1:" + os.Getenv("BFF_PORT"),
		Handler:           mux,
		ReadHeaderTimeout: 75 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}

func (g *gateway) serve(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	id := r.Header.Get("X-Request-Id")
	if id == "" {
		id = fmt.Sprintf("%s%08x", g.process, g.count.Add(1))
	}
	headers := w.Header()
	headers["X-Request-Id"] = []string{id}
	headers["X-Content-Type-Options"] = nosniff
	status := g.answer(w, headers, r, id)
	if g.seconds == nil {
		return
	}
	taken := time.Since(began).Seconds()
	if status == http.StatusOK {
		g.ofHits.Observe(taken)
	} else {
		g.seconds.WithLabelValues("GET", route, strconv.Itoa(status)).Observe(taken)
	}
}

func (g *gateway) answer(w http.ResponseWriter, headers http.Header, r *http.Request, id string) int {
	who, err := g.authenticate(r.Header.Get("Authorization"))
	if err != nil {
		headers.Set("WWW-Authenticate", "Bearer")
		return problem(w, http.StatusUnauthorized)
	}
	if !who.limiter.Allow() {
		headers.Set("Retry-After", "1")
		return problem(w, http.StatusTooManyRequests)
	}
	headers["Ratelimit-Limit"] = limit
	headers["Ratelimit-Remaining"] = []string{strconv.Itoa(int(who.limiter.Tokens()))}
	headers["Ratelimit-Reset"] = reset
	room, status, err := g.room(r.Context(), r.PathValue("id"), id)
	if err != nil {
		log.Print(err)
		return problem(w, http.StatusBadGateway)
	}
	left := max(1, int((time.Until(room.until)+time.Second-1)/time.Second))
	headers["Cache-Control"] = []string{"private, max-age=" + strconv.Itoa(left)}
	headers["Vary"] = vary
	headers["Etag"] = room.etag
	headers["Cache-Status"] = status
	if r.Header.Get("If-None-Match") == room.etag[0] {
		w.WriteHeader(http.StatusNotModified)
		return http.StatusNotModified
	}
	headers["Content-Type"] = jsonType
	headers["Content-Length"] = room.length
	w.Write(room.body)
	return http.StatusOK
}

func problem(w http.ResponseWriter, status int) int {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"status":%d}`, status)
	return status
}

// authenticate returns the caller of an Authorization header, from memory while their token holds.
func (g *gateway) authenticate(header string) (*caller, error) {
	token, isBearer := strings.CutPrefix(header, "Bearer ")
	if !isBearer {
		return nil, errUnauthorized
	}
	if known, found := g.callers.Load(token); found && time.Now().Before(known.(*caller).until) {
		return known.(*caller), nil
	}
	claims := jwt.RegisteredClaims{}
	key := func(*jwt.Token) (any, error) { return g.jwtSecret, nil }
	methods := jwt.WithValidMethods([]string{"HS256"})
	_, err := jwt.ParseWithClaims(token, &claims, key, methods, jwt.WithExpirationRequired())
	if err != nil || claims.Subject == "" {
		return nil, errUnauthorized
	}
	made := rate.NewLimiter(requests/60, requests)
	limiter, _ := g.limiters.LoadOrStore(claims.Subject, made)
	who := &caller{claims.ExpiresAt.Time, limiter.(*rate.Limiter)}
	g.callers.Store(token, who)
	return who, nil
}

// room returns a room from memory, or reads it upstream, once for all who ask meanwhile.
func (g *gateway) room(ctx context.Context, liveID, id string) (*encoded, []string, error) {
	if known, found := g.rooms.Load(liveID); found && time.Now().Before(known.(*encoded).until) {
		return known.(*encoded), hit, nil
	}
	read, err, _ := g.flights.Do(liveID, func() (any, error) {
		return g.read(context.WithoutCancel(ctx), liveID, id)
	})
	if err != nil {
		return nil, nil, err
	}
	if g.caches {
		g.rooms.Store(liveID, read)
	}
	return read.(*encoded), miss, nil
}

func (g *gateway) read(ctx context.Context, liveID, id string) (*encoded, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	target := g.upstream.JoinPath("server", "live", liveID)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Qiniu "+g.accessKey+":"+g.signature(target.Path))
	request.Header.Set("X-Reqid", id)
	response, err := g.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	var reply struct {
		Code int  `json:"code"`
		Data Room `json:"data"`
	}
	if err := json.Unmarshal(text, &reply); err != nil {
		return nil, err
	}
	succeeded := response.StatusCode == http.StatusOK && (reply.Code == 0 || reply.Code == 200)
	if !succeeded || reply.Data.LiveID != liveID {
		return nil, fmt.Errorf("upstream: status %d, code %d", response.StatusCode, reply.Code)
	}
	return encode(reply.Data)
}

func (g *gateway) signature(path string) string {
	mac := hmac.New(sha1.New, g.secretKey)
	fmt.Fprintf(mac, "GET %s\nHost: %s\n\n", path, g.upstream.Host)
	return base64.URLEncoding.EncodeToString(mac.Sum(nil))
}

func encode(room Room) (*encoded, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(room); err != nil {
		return nil, err
	}
	sent := bytes.TrimRight(body.Bytes(), "\n")
	tag := fmt.Sprintf(`"%x"`, sha1.Sum(sent))
	return &encoded{sent, []string{strconv.Itoa(len(sent))}, []string{tag}, time.Now().Add(fresh)}, nil
}

// forget drops what is no longer fresh, every second.
func (g *gateway) forget() {
	for now := range time.Tick(time.Second) {
		g.rooms.Range(func(id, room any) bool {
			if now.After(room.(*encoded).until) {
				g.rooms.Delete(id)
			}
			return true
		})
		g.callers.Range(func(token, who any) bool {
			if now.After(who.(*caller).until) {
				g.callers.Delete(token)
			}
			return true
		})
	}
}
