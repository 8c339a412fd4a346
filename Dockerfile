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
RUN CGO_ENABLED=0 GOOS=${TARGETOS:-linux} GOARCH=${TARGETARCH} go build -trimpath -ldflags="-s -w" -o /manager ./cmd/manager

# Static, without a shell or a package manager.
FROM gcr.io/distroless/static:nonroot
COPY --from=build /manager /manager
# By number: runAsNonRoot cannot see what a name stands for.
USER 65532:65532
ENTRYPOINT ["/manager"]
