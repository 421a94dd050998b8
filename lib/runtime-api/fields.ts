/**
 * Figures with a type, and the forms in which `show info` prints them (management guide, 9.2): plain, `typed` and
 * `json`, with descriptions when `desc` is asked for. `show stat` has its own table, stat-columns.ts.
 */
import { jsonText } from './json.js';
import { ROW_NAMES, TAG_WORDS, tagWords } from './stat-columns.js';

export type FieldType = 's32' | 'u32' | 'u64' | 'str' | 'flt';
export type FieldValue = number | string;

export interface Field {
	/** Its number never changes; there are holes. */
	readonly position: number;
	readonly name: string;
	/** Origin, nature and scope: three characters of the tables below. */
	readonly tags: string;
	readonly type: FieldType;
	readonly description: string;
}

const MAX_U32 = 0xffffffff;

/** A value as text: counters are whole numbers, 32-bit ones wrap as they do in HAProxy. */
export function valueText(value: FieldValue, type: FieldType): string {
	if (typeof value === 'string') return value;
	switch (type) {
		case 'flt':
			return value.toFixed(6);
		case 's32':
			return String(Math.trunc(value) | 0);
		case 'u32':
			return String(value > MAX_U32 ? Math.trunc(value) % (MAX_U32 + 1) : Math.max(0, Math.trunc(value)));
		default:
			return Math.trunc(value).toFixed(0);
	}
}

/** `:<tags>:<type>:<value>`, with the description behind it if wanted. */
export function typedTail(field: Field, value: FieldValue, withDescription: boolean): string {
	const text = `:${field.tags}:${field.type}:${valueText(value, field.type)}`;
	return withDescription ? `${text}:"${field.description}"` : text;
}

/** The object of one value in JSON, without what names its proxy. */
export function fieldObject(field: Field, value: FieldValue): Record<string, unknown> {
	const { position, name, tags, type } = field;
	const text = valueText(value, type);
	return {
		field: { pos: position, name },
		processNum: 1,
		tags: tagWords(tags),
		value: { type, value: type === 'str' ? text : Number(text) },
	};
}

/** `show schema json`: what the JSON of `show info` and `show stat` looks like. */
export function jsonSchema(): string {
	const ref = (name: string) => ({ $ref: `#/definitions/${name}` });
	const item = {
		field: ref('field'),
		processNum: ref('processNum'),
		tags: ref('tags'),
		value: ref('typedValue'),
	};
	const integer = (type: string, minimum: number, maximum: number) => ({
		properties: { type: { type: 'string', enum: [type] }, value: { type: 'integer', minimum, maximum } },
	});
	const enumerated = (names: readonly string[]) => ({ type: 'string', enum: names });
	return jsonText({
		$schema: 'http://json-schema.org/draft-04/schema#',
		oneOf: [
			{
				title: 'Info',
				type: 'array',
				items: { title: 'InfoItem', type: 'object', properties: item, required: Object.keys(item) },
			},
			{
				title: 'Stat',
				type: 'array',
				items: {
					type: 'array',
					items: {
						title: 'StatItem',
						type: 'object',
						properties: {
							objType: { enum: ROW_NAMES },
							proxyId: { type: 'integer', minimum: 0 },
							id: { type: 'integer', minimum: 0 },
							...item,
						},
						required: ['objType', 'proxyId', 'id', ...Object.keys(item)],
					},
				},
			},
		],
		definitions: {
			field: {
				type: 'object',
				properties: { pos: { type: 'integer', minimum: 0 }, name: { type: 'string' } },
				required: ['pos', 'name'],
			},
			processNum: { type: 'integer', minimum: 1 },
			tags: {
				type: 'object',
				properties: {
					origin: enumerated(TAG_WORDS.origin),
					nature: enumerated(TAG_WORDS.nature),
					scope: enumerated(TAG_WORDS.scope),
				},
				required: ['origin', 'nature', 'scope'],
			},
			typedValue: {
				type: 'object',
				oneOf: [
					integer('s32', -2147483648, 2147483647),
					integer('u32', 0, MAX_U32),
					integer('u64', 0, Number.MAX_SAFE_INTEGER),
					{ properties: { type: { type: 'string', enum: ['str'] }, value: { type: 'string' } } },
				],
				required: ['type', 'value'],
			},
		},
	});
}
