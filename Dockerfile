# The image runs any role against a Redis elsewhere: --redis.embedded is for a machine, and no redis-server is in here.
#
#   docker build -t pushgateway-redis .
#   docker run -p 9753:9753 -e PUSHGATEWAY_REDIS_ENDPOINT=redis:6379 pushgateway-redis [all|ingest|worker|reader]
#
# lts is the current long-term release of Node; a build that is to be repeatable says --build-arg NODE_VERSION=24.11.
ARG NODE_VERSION=lts

FROM node:${NODE_VERSION}-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# See the Makefile for why not npm ci alone.
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
# Alive; whether it can serve at the moment is /-/ready, which a load balancer asks. With --tls.enabled, or another port or
# path, give the container its own --health-cmd.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PUSHGATEWAY_PORT ?? 9753}/-/healthy`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# node is process 1: it handles SIGTERM itself, and its workers are threads, so that there are no orphans to reap.
ENTRYPOINT ["node", "dist/services/gateway/main.js"]
CMD ["all"]
