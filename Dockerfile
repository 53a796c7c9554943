# The image runs any role with a Redis elsewhere. It contains no redis-server, so --redis.embedded does not work in it.
#
#   docker build -t pushgateway-redis .
#   docker run -p 9753:9753 -e PUSHGATEWAY_REDIS_ENDPOINT=redis:6379 pushgateway-redis [all|ingest|worker|reader]
#
# The digest is that of the image for all platforms; `make image-digests WRITE=1` and Dependabot update it.
FROM node:24.19.0-slim@sha256:cd84903a12dbd26b46f1f3b8144a2568c41c5d37ddd0c7a80a34c7a19786b35f AS node

FROM node AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# With the hashes of the lock file, and without install scripts (.npmrc).
RUN npm ci --loglevel=error
COPY tsconfig.json tsconfig.build.json ./
COPY shared shared
COPY services services
RUN npm run build && npm prune --omit=dev

FROM node
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY LICENSE ./
USER node
EXPOSE 9753
STOPSIGNAL SIGTERM
# Checks that the process is alive; load balancers probe /-/ready, which says whether it can serve. With --tls.enabled
# or another port or path, give the container its own --health-cmd.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PUSHGATEWAY_PORT ?? 9753}/-/healthy`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# node runs as process 1: it handles SIGTERM itself, and its workers are threads, so there are no orphans to reap.
ENTRYPOINT ["node", "dist/services/gateway/main.js"]
CMD ["all"]
