/* SPDX-License-Identifier: Apache-2.0
 *
 * A load generator for one HTTP/1.1 server on loopback. One thread, epoll, keep-alive connections, no pipelining.
 *
 *   load -p PORT -u PATH -b BODY_FILE [-H 'name: value']... [-c CONNECTIONS] [-d SECONDS] [-n REQUESTS] [-r RATE] [-w WARM_S] [-l LOG] [-f MARK]
 *
 * Closed loop (no -r): every connection sends its next request as soon as the answer is complete.
 * Open loop (-r RATE): requests are due at fixed times, whatever the server does. Latency counts from the time a request
 * was DUE, so a server that stalls is charged for everyone who had to wait (no coordinated omission).
 *
 * With -l every answer is one line of LOG, tabs between: when it was complete (ns of CLOCK_MONOTONIC), status, the headers
 * customhouse-trace-id, -release, -generation and server-timing, and the text of the answer.
 *
 * With -f the first body byte is that of the first MARK, a text of which no other byte is like its first one: a piece of
 * what a model said, not what a dialect sends before it.
 *
 * Prints one line of JSON: requests per second, answers with status 200 ("ok") and others ("bad"), percentiles in
 * microseconds to the last byte and to the first body byte, and server-sent events per answer. Ends by -d, -n or
 * SIGTERM, whichever comes first; measuring begins after -w seconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 16384, KEPT_MAX = 8192, BODY_MAX = 1 << 20, READ_MAX = 1 << 18, SAMPLES_MAX = 4000000, EVENTS_MAX = 256 };
#define SECOND 1000000000ull

/* Where a connection stands in the response it reads. CHUNK_SIZE to CHUNK_END are chunked coding, RFC 9112, 7.1. */
typedef enum { IDLE, HEAD, BODY_BY_LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER } State;

typedef struct {
    int fd;
    State state;
    bool close_after;
    int status;
    char head[HEAD_MAX + 1];
    size_t head_size;
    uint64_t left;             /* bytes of the body, or of the chunk, still to come */
    uint64_t due, first_byte;  /* ns; first_byte is 0 until a body byte came */
    size_t matched;            /* bytes of the mark seen so far, the last of them the last byte read */
    bool line_empty;           /* the trailer's line, or the stream's line, has no byte so far */
    char kept[KEPT_MAX + 1];   /* the beginning of the body, for the log */
    size_t kept_size;
} Connection;

static struct {
    uint16_t port;
    const char *path, *body_file, *mark;
    int connections;
    double seconds, warm_s, rate;
    uint64_t requests;
    char headers[HEAD_MAX];
} options = {.path = "/", .mark = "", .connections = 32, .seconds = 5};

static char *request;
static size_t request_size;
static int poll_fd;

static FILE *answers;
static volatile sig_atomic_t stopped;

static uint32_t *last_us, *first_us;
static size_t samples;
static uint64_t sent, ok, bad, events;
static bool measuring;
static char problem[240];

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void stop(int number) {
    (void)number;
    stopped = 1;
}

static void die(const char *what) {
    perror(what);
    exit(2);
}

static void dial(Connection *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to)) die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
    c->state = IDLE;
}

static void redial(Connection *c) {
    close(c->fd);
    dial(c);
}

static void fire(Connection *c, uint64_t due) {
    c->state = HEAD;
    c->head_size = 0;
    c->kept_size = 0;
    c->due = due;
    c->first_byte = 0;
    c->matched = 0;
    c->close_after = false;
    sent++;
    /* A request is small against the socket's buffer: a short write only means a dead connection. */
    if (send(c->fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size) {
        redial(c);
        c->state = HEAD;
        if (send(c->fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size) die("send");
    }
}

static void write_header(const Connection *c, const char *name) {
    const char *from = strcasestr(c->head, name), *to;
    from = from ? from + strlen(name) : "";
    from += strspn(from, " ");
    to = from + strcspn(from, "\r\n");
    fprintf(answers, "\t%.*s", (int)(to - from), from);
}

static void write_answer(Connection *c, uint64_t at) {
    static const char CONTENT[] = "\"content\":\"";
    c->kept[c->kept_size] = 0;
    const char *text = strstr(c->kept, CONTENT);
    text = text ? text + sizeof CONTENT - 1 : "";
    fprintf(answers, "%lu\t%d", at, c->status);
    write_header(c, "\r\ncustomhouse-trace-id:");
    write_header(c, "\r\ncustomhouse-release:");
    write_header(c, "\r\ncustomhouse-generation:");
    write_header(c, "\r\nserver-timing:");
    fprintf(answers, "\t%.*s\n", (int)strcspn(text, "\""), text);
}

static void finish(Connection *c) {
    uint64_t at = now();
    if (answers) write_answer(c, at);
    if (c->status == 200) ok++;
    else bad++;
    if (measuring && samples < SAMPLES_MAX) {
        last_us[samples] = (uint32_t)((at - c->due) / 1000);
        first_us[samples++] = (uint32_t)(((c->first_byte ? c->first_byte : at) - c->due) / 1000);
    }
    c->state = IDLE;
    if (c->close_after) redial(c);
}

static void fail(Connection *c, const char *what) {
    snprintf(problem, sizeof problem, "%s", what);
    bad++;
    redial(c);
}

/* Count events of a stream: each ends with an empty line. */
static void count_events(Connection *c, const char *p, size_t size) {
    for (const char *end = p + size; p < end; p++) {
        if (*p == '\n') {
            if (c->line_empty) events++;
            c->line_empty = true;
        } else if (*p != '\r') c->line_empty = false;
    }
}

/* Return whether the mark has come. */
static bool marked(Connection *c, const char *p, size_t size) {
    const char *mark = options.mark;
    for (const char *end = p + size; p < end && mark[c->matched]; p++)
        c->matched = *p == mark[c->matched] ? c->matched + 1 : *p == *mark;
    return !mark[c->matched];
}

static void head_complete(Connection *c, const char *rest, size_t rest_size) {
    c->status = atoi(c->head + 9);
    const char *length = strcasestr(c->head, "\r\ncontent-length:");
    c->close_after = strcasestr(c->head, "\r\nconnection: close") != NULL;
    c->line_empty = false;
    c->left = length ? strtoull(length + 17, NULL, 10) : 0;
    if (c->status != 200) snprintf(problem, sizeof problem, "%.60s | %.*s", c->head, (int)(rest_size < 150 ? rest_size : 150), rest);
    if (strcasestr(c->head, "\r\ntransfer-encoding: chunked")) {
        c->state = CHUNK_SIZE;
        c->left = 0;
    } else if (c->left) c->state = BODY_BY_LENGTH;
    else finish(c);
}

/* Take in what was read. A loop over the states; every turn consumes at least one byte. */
static void feed(Connection *c, const char *p, size_t size) {
    while (size && c->state != IDLE) {
        size_t used = 1;
        switch (c->state) {
        case HEAD: {
            size_t room = HEAD_MAX - c->head_size, take = size < room ? size : room, before = c->head_size;
            memcpy(c->head + before, p, take);
            c->head[before + take] = 0;
            char *end = strstr(c->head, "\r\n\r\n");
            if (!end) {
                if (take == room) return fail(c, "response head too large");
                c->head_size += take;
                return;
            }
            used = (size_t)(end + 4 - c->head) - before;
            end[2] = 0;
            head_complete(c, p + used, size - used);
            break;
        }
        case BODY_BY_LENGTH:
        case CHUNK_DATA:
            used = size < c->left ? size : c->left;
            if (!c->first_byte && marked(c, p, used)) c->first_byte = now();
            if (answers) {
                size_t room = KEPT_MAX - c->kept_size, take = used < room ? used : room;
                memcpy(c->kept + c->kept_size, p, take);
                c->kept_size += take;
            }
            count_events(c, p, used);
            c->left -= used;
            if (!c->left) {
                if (c->state == CHUNK_DATA) c->state = CHUNK_END;
                else finish(c);
            }
            break;
        case CHUNK_SIZE:
            if (*p == '\n') {
                c->state = c->left ? CHUNK_DATA : TRAILER;
                if (c->state == TRAILER) c->line_empty = true;
            } else if (*p != '\r') c->left = c->left * 16 + (uint64_t)(*p <= '9' ? *p - '0' : (*p | 32) - 'a' + 10);
            break;
        case CHUNK_END:
            if (*p == '\n') c->state = CHUNK_SIZE;
            break;
        case TRAILER:
            if (*p == '\n') {
                if (c->line_empty) finish(c);
                else c->line_empty = true;
            } else if (*p != '\r') c->line_empty = false;
            break;
        case IDLE:
            return;
        }
        p += used;
        size -= used;
    }
}

static void readable(Connection *c) {
    static char buffer[READ_MAX];
    ssize_t size = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return;
    if (size > 0) feed(c, buffer, (size_t)size);
    else if (c->state == IDLE) redial(c); /* the server closed an idle connection */
    else fail(c, "connection closed inside a response");
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t percentile(const uint32_t *sorted, double share) {
    if (!samples) return 0;
    size_t index = (size_t)(share * (double)samples);
    return sorted[index < samples ? index : samples - 1];
}

static void build_request(void) {
    char *body = malloc(BODY_MAX);
    size_t body_size = 0;
    if (options.body_file) {
        FILE *file = fopen(options.body_file, "rb");
        if (!file) die(options.body_file);
        body_size = fread(body, 1, BODY_MAX, file);
        fclose(file);
    }
    request = malloc(body_size + 2 * HEAD_MAX);
    int head_size = snprintf(request, 2 * HEAD_MAX,
                             "POST %s HTTP/1.1\r\nhost: 127.0.0.1:%u\r\ncontent-type: application/json\r\n%scontent-length: %zu\r\n\r\n",
                             options.path, options.port, options.headers, body_size);
    memcpy(request + head_size, body, body_size);
    request_size = (size_t)head_size + body_size;
    free(body);
}

static void read_options(int argc, char **argv) {
    for (int option; (option = getopt(argc, argv, "p:u:b:H:c:d:n:r:w:l:f:")) > 0;) switch (option) {
        case 'p': options.port = (uint16_t)atoi(optarg); break;
        case 'u': options.path = optarg; break;
        case 'b': options.body_file = optarg; break;
        case 'c': options.connections = atoi(optarg); break;
        case 'd': options.seconds = atof(optarg); break;
        case 'n': options.requests = strtoull(optarg, NULL, 10); break;
        case 'r': options.rate = atof(optarg); break;
        case 'w': options.warm_s = atof(optarg); break;
        case 'f': options.mark = optarg; break;
        case 'l':
            if (!(answers = fopen(optarg, "w"))) die(optarg);
            break;
        case 'H': {
            size_t used = strlen(options.headers);
            snprintf(options.headers + used, sizeof options.headers - used, "%s\r\n", optarg);
            break;
        }
        default: exit(2);
        }
    if (!options.port || options.connections < 1) {
        fprintf(stderr, "load: -p PORT is needed, and at least one connection\n");
        exit(2);
    }
}

/* Send what is due; return when to look again. `cursor` makes idle connections take turns. */
static uint64_t send_due(Connection *all, uint64_t at, uint64_t *next_due) {
    static int cursor;
    uint64_t limit = options.requests ? options.requests : UINT64_MAX;
    if (options.rate <= 0) {
        for (int i = 0; i < options.connections; i++)
            if (all[i].state == IDLE && sent < limit) fire(all + i, now());
        return at + SECOND / 20;
    }
    while (*next_due <= at && sent < limit) {
        int tried = 0;
        while (tried < options.connections && all[cursor].state != IDLE) {
            cursor = (cursor + 1) % options.connections;
            tried++;
        }
        if (tried == options.connections) return at + SECOND / 20; /* all busy: an answer wakes us, the wait is counted */
        fire(all + cursor, *next_due);
        *next_due += (uint64_t)((double)SECOND / options.rate);
    }
    return *next_due;
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    build_request();
    last_us = malloc(SAMPLES_MAX * sizeof *last_us);
    first_us = malloc(SAMPLES_MAX * sizeof *first_us);
    poll_fd = epoll_create1(0);
    Connection *all = calloc((size_t)options.connections, sizeof *all);
    for (int i = 0; i < options.connections; i++) dial(all + i);

    uint64_t start = now(), measured_from = start + (uint64_t)(options.warm_s * SECOND);
    uint64_t end = measured_from + (uint64_t)(options.seconds * SECOND), next_due = start;
    uint64_t ok_before = 0, events_before = 0, at;
    measuring = options.warm_s <= 0;
    struct epoll_event ready[EVENTS_MAX];
    signal(SIGTERM, stop);
    while (!stopped && (at = now()) < end && (!options.requests || ok + bad < options.requests)) {
        if (!measuring && at >= measured_from) {
            measuring = true;
            ok_before = ok;
            events_before = events;
        }
        uint64_t wake = send_due(all, at, &next_due);
        at = now();
        uint64_t wait = wake > at ? wake - at : 0;
        struct timespec timeout = {.tv_sec = (time_t)(wait / SECOND), .tv_nsec = (long)(wait % SECOND)};
        int count = epoll_pwait2(poll_fd, ready, EVENTS_MAX, &timeout, NULL);
        for (int i = 0; i < count; i++) readable(ready[i].data.ptr);
    }

    if (answers) fclose(answers);
    double took_s = (double)(now() - measured_from) / (double)SECOND;
    qsort(last_us, samples, sizeof *last_us, ascending);
    qsort(first_us, samples, sizeof *first_us, ascending);
    for (char *c = problem; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < 32) *c = ' ';
    uint64_t answered = ok - ok_before;
    printf("{\"rps\":%.1f,\"ok\":%lu,\"bad\":%lu,\"seconds\":%.3f,\"p50_us\":%u,\"p90_us\":%u,\"p99_us\":%u,\"max_us\":%u,"
           "\"first_p50_us\":%u,\"first_p99_us\":%u,\"events_per_answer\":%.2f,\"problem\":\"%s\"}\n",
           (double)answered / took_s, ok, bad, took_s, percentile(last_us, .5), percentile(last_us, .9), percentile(last_us, .99),
           percentile(last_us, 1), percentile(first_us, .5), percentile(first_us, .99),
           answered ? (double)(events - events_before) / (double)answered : 0.0, problem);
    return 0;
}
