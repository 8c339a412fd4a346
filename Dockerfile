# The release that this is tested with.
ARG GO_VERSION=1.26.8

# Builds on the machine's own platform for whatever platform is asked for.
FROM --platform=$BUILDPLATFORM docker.io/library/golang:${GO_VERSION} AS build
ARG TARGETOS
ARG TARGETARCH
WORKDIR /src

# First what changes seldom, so that it comes from the cache.
COPY go.mod go.sum ./
RUN go mod download

COPY api/ api/
COPY cmd/ cmd/
COPY controllers/ controllers/
COPY internal/ internal/
COPY webhooks/ webhooks/
# What node-proxy reports as its version, such as git describe says: there is no repository here.
ARG VERSION
RUN CGO_ENABLED=0 GOOS=${TARGETOS:-linux} GOARCH=${TARGETARCH} \
    go build -trimpath -buildvcs=false -ldflags="-s -w -buildid= -X main.release=${VERSION}" -o /programs/ ./cmd/manager ./cmd/node-proxy

# Static, without a shell or a package manager. By tag, for the newest root certificates; how to pin it: docs/security.md.
FROM gcr.io/distroless/static:latest AS node-proxy
# In the PATH, for kubectl exec.
COPY --from=build /programs/node-proxy /usr/local/bin/node-proxy
# Root: the capability that it runs with is given to no other user.
USER 0:0
ENTRYPOINT ["/usr/local/bin/node-proxy"]

# The last one is what is built where no --target says otherwise.
FROM gcr.io/distroless/static:nonroot AS manager
COPY --from=build /programs/manager /manager
# By number: runAsNonRoot cannot see what a name stands for.
USER 65532:65532
ENTRYPOINT ["/manager"]
