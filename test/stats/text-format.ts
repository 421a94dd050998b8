/**
 * A strict reader of Prometheus' text format 0.0.4, after its description: anything that a scraper might stumble over is
 * an error here. What promtool would say, where there is no promtool.
 */
export interface Sample {
	readonly labels: ReadonlyMap<string, string>;
	readonly value: number;
}

export interface Metric {
	readonly type: string;
	readonly help: string;
	readonly samples: Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/;
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|NaN|[+-]?Inf)$/;

export function parseTextFormat(text: string): Map<string, Metric> {
	if (!text.endsWith('\n')) throw new Error('the last line has no end');
	const metrics = new Map<string, Metric>();
	const finished = new Set<string>();
	let help: { name: string; text: string } | undefined;
	let current = '';
	const seen = new Set<string>();
	for (const [index, line] of text.slice(0, -1).split('\n').entries()) {
		const fail = (what: string): never => {
			throw new Error(`line ${index + 1}: ${what}: ${line}`);
		};
		const comment = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line);
		if (comment !== null) {
			const [, kind, name = '', rest = ''] = comment;
			if (!NAME.test(name)) fail('no name of a metric');
			if (kind === 'HELP') {
				if (metrics.has(name)) fail('a second HELP');
				if (/\\(?![\\n])/.test(rest)) fail('a bad escape');
				help = { name, text: rest };
				continue;
			}
			if (help?.name !== name) fail('TYPE without its HELP before it');
			if (metrics.has(name)) fail('a second TYPE');
			if (!['counter', 'gauge', 'histogram', 'summary', 'untyped'].includes(rest)) fail('no type');
			if (current !== '') finished.add(current);
			current = name;
			metrics.set(name, { type: rest, help: help?.text ?? '', samples: [] });
			continue;
		}
		if (line.startsWith('#') || line === '') fail('neither comment nor sample');
		const sample = /^([^{\s]+)(?:\{(.*)\})? (\S+)$/.exec(line);
		if (sample === null) return fail('no sample');
		const [, name = '', labelText, value = ''] = sample;
		if (name !== current) fail(`a sample of another metric than ${current}`);
		if (finished.has(name)) fail('a metric in two pieces');
		if (!VALUE.test(value)) fail('no value');
		const labels = new Map<string, string>();
		for (let rest = labelText ?? ''; rest !== ''; ) {
			const match = LABEL.exec(rest);
			if (match === null) return fail('bad labels');
			const [whole, label = '', quoted = ''] = match;
			if (labels.has(label)) fail('a label twice');
			labels.set(
				label,
				quoted.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char)),
			);
			rest = rest.slice(whole.length);
		}
		const key = `${name} ${JSON.stringify([...labels].sort())}`;
		if (seen.has(key)) fail('the same sample twice');
		seen.add(key);
		metrics.get(name)?.samples.push({ labels, value: value === 'NaN' ? Number.NaN : Number(value) });
	}
	for (const [name, { type, samples }] of metrics) {
		if (samples.length === 0) throw new Error(`${name} has no sample`);
		if (type === 'counter' && samples.some(({ value }) => value < 0)) throw new Error(`${name} is a counter below 0`);
	}
	return metrics;
}
