# The portal in a container: one static binary, no shell, not root.
#
#   docker build -t azts-portal .
#   docker run -p 8080:8080 -v portal:/data --env-file portal.env azts-portal
#
# No secret belongs into the image: they come from the environment or from
# mounted files (PORTAL_…_FILE). PORTAL_BASE_URL must be set, since the address
# that browsers use cannot be told from :8080.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY handlers handlers
COPY internal internal
COPY session session
COPY static static
COPY templates templates
COPY web web
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /root-of-image/portal ./web
# All that a static binary misses in an empty image: whom to trust, a name for
# its user, a place for temporary files.
RUN mkdir -p /root-of-image/etc/ssl/certs /owned-by-portal/data \
 && cp /etc/ssl/certs/ca-certificates.crt /root-of-image/etc/ssl/certs/ \
 && echo 'portal:x:65532:65532:portal:/data:/none' > /root-of-image/etc/passwd \
 && echo 'portal:x:65532:' > /root-of-image/etc/group \
 && mkdir -m 1777 /root-of-image/tmp \
 && chmod 0700 /owned-by-portal/data

FROM scratch
COPY --from=build /root-of-image/ /
COPY --from=build --chown=65532:65532 /owned-by-portal/ /
USER 65532:65532
WORKDIR /data
VOLUME /data
ENV PORTAL_ADDR=:8080 \
    PORTAL_DATABASE_URL=sqlite:/data/portal.db
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=6s --start-period=15s CMD ["/portal", "-health"]
ENTRYPOINT ["/portal"]
