FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /motet ./cmd/motet
RUN mkdir /data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /motet /usr/local/bin/motet
# A volume takes the owner of the directory that it covers.
COPY --from=build --chown=nonroot:nonroot /data /data
COPY --from=build --chown=nonroot:nonroot /data /verifier
EXPOSE 8545
ENTRYPOINT ["/usr/local/bin/motet"]
CMD ["dev"]
