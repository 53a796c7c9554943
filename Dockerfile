# The image runs any role with a Redis elsewhere. It contains no redis-server, so --redis.embedded does not work in it.
#
#   docker build -t pushgateway-redis .
#   docker run -p 9753:9753 -e PUSHGATEWAY_REDIS_ENDPOINT=redis:6379 pushgateway-redis [all|ingest|worker|reader]
#
# "lts" is the current LTS release of Node; for a reproducible build pass a version, as --build-arg NODE_VERSION=24.11.
ARG NODE_VERSION=lts

FROM node:${NODE_VERSION}-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# The Makefile explains why npm ci alone is not enough.
RUN npm ci --loglevel=silent || npm install --no-save
COPY tsconfig.json tsconfig.build.json ./
COPY shared shared
COPY services services
RUN npm run build && npm prune --omit=dev

FROM node:${NODE_VERSION}-slim
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
