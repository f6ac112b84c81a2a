// An application of Node that calls a provider under one instrumentation, as application.py does.
//
//   node application.mjs INSTRUMENTATION json|proto none|gzip SCENE...
import {appendFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {context, metrics, SpanStatusCode, trace} from '@opentelemetry/api';
import {AsyncLocalStorageContextManager} from '@opentelemetry/context-async-hooks';
import {resourceFromAttributes} from '@opentelemetry/resources';
import * as sdk from '@opentelemetry/sdk-trace';

// Instrumentations wrap what require() gives.
const require = createRequire(import.meta.url);
const [instrumentation, encoding, compression, ...scenes] = process.argv.slice(2);

const exporters = {
  json: async () => (await import('@opentelemetry/exporter-trace-otlp-http')).OTLPTraceExporter,
  proto: async () => (await import('@opentelemetry/exporter-trace-otlp-proto')).OTLPTraceExporter,
};
const instrumentations = {
  openinference: async () => {
    const {OpenAIInstrumentation} =
      await import('@arizeai/openinference-instrumentation-openai');
    return new OpenAIInstrumentation();
  },
  traceloop: async () => {
    const {OpenAIInstrumentation} = await import('@traceloop/instrumentation-openai');
    return new OpenAIInstrumentation();
  },
  official: async () => {
    const {OpenAIInstrumentation} = await import('@opentelemetry/instrumentation-openai');
    return new OpenAIInstrumentation();
  },
};

// What the SDK has of a span, in one line.
const spanFile = {
  onStart() {},
  onEnd(span) {
    appendFileSync(process.env.SPANS, JSON.stringify({
      name: span.name, context: {trace_id: `0x${span.spanContext().traceId}`},
      scope: (span.instrumentationScope ?? span.instrumentationLibrary).name,
      attributes: span.attributes, events: span.events}) + '\n');
  },
  async forceFlush() {},
  async shutdown() {},
};

const Exporter = await exporters[encoding]();
const exporter = new Exporter({
  url: `${process.env.OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces`, compression});
const provider = new sdk.TracerProvider({
  resource: resourceFromAttributes({'service.name': process.env.OTEL_SERVICE_NAME}),
  spanProcessors: [spanFile, new sdk.BatchSpanProcessor({exporter})],
});
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
trace.setGlobalTracerProvider(provider);
const instrumented = await instrumentations[instrumentation]();
instrumented.setTracerProvider(provider);
instrumented.setMeterProvider(metrics.getMeterProvider()); // one that drops all
const {OpenAI} = require('openai');

const client = new OpenAI({
  baseURL: `${process.env.PROVIDER_URL}/v1`, apiKey: 'none', maxRetries: 0});

async function drain(stream) {
  for await (const chunk of stream) void chunk;
}

async function ask(scene, model) {
  const messages = [{role: 'user', content: scene}];
  switch (scene) {
    case 'responses':
      return client.responses.create({model, input: scene});
    case 'embeddings':
      return client.embeddings.create({model, input: scene});
    case 'stream':
      return drain(await client.chat.completions.create(
        {model, messages, stream: true, stream_options: {include_usage: true}}));
    case 'stream_bare':
      return drain(await client.chat.completions.create({model, messages, stream: true}));
    case 'again':
      return client.chat.completions.create({model, messages}, {maxRetries: 1});
    default:
      return client.chat.completions.create({model, messages});
  }
}

const tracer = trace.getTracer('application');
for (const scene of scenes) {
  await tracer.startActiveSpan(scene, async (span) => {
    try {
      await ask(scene, `${process.env.MODEL_PREFIX}${scene}`);
    } catch (error) { // what the script wants to fail
      if (!error.status) throw error;
      span.setStatus({code: SpanStatusCode.ERROR});
    } finally {
      span.end();
    }
  });
}
await provider.shutdown();
