// The fields of ECS that a line may have, from Elastic's own package: node ecs.js PACKAGE
const { EcsFlat, EcsVersion } = require(process.argv[2] ?? "@elastic/ecs");

// Whole sets, but for what is nested in them of others; ECS has 2,600 names in all.
const SETS = /^(@timestamp|message|tags|labels|(ecs|log|event|error|trace|span|transaction|server|client|user|observer|host|service)\.[a-z_]+|http\.(request|response)\.[a-z_]+|gen_ai\..+)$/;

const fields = {};
for (const name of Object.keys(EcsFlat).filter((one) => SETS.test(one)).sort()) {
  const { type, ignore_above, normalize, allowed_values } = EcsFlat[name];
  fields[name] = {
    type,
    ...(ignore_above ? { ignore_above } : {}),
    ...(normalize.includes("array") ? { array: true } : {}),
    ...(allowed_values?.length ? { allowed: allowed_values.map((value) => value.name) } : {}),
  };
}
console.log(JSON.stringify({ version: EcsVersion, fields }, null, 1));
