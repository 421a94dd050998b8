/**
 * Converters that hand on what they are given and do something beside (manual, 7.3.1): `capture-req`, `capture-res` write
 * into a capture slot, `debug` shows the value.
 */
import { requestCaptureSlots, responseCaptureSlots } from '../capture-slots.js';
import type { CompileContext, ConverterDescriptor, SampleValue } from '../types.js';
import { toText, typeOf } from '../values.js';
import { numberArgument, optional, required, textArgument } from './define.js';

function captureRow(name: string, side: 'request' | 'response'): ConverterDescriptor {
	return {
		name,
		args: [required('sint')],
		input: 'str',
		output: 'str',
		check: ([slot], context) => {
			const index = numberArgument(slot) ?? -1;
			// A backend serves any frontend: only traffic shows whether it has the slot.
			const { proxy } = context;
			if (index >= 0 && (proxy === undefined || proxy.kind === 'backend' || index < slotCount(side, context))) {
				return undefined;
			}
			context.diagnostics.warning(
				context.place,
				`'${name}(${index})' gives no sample: there is no such ${side} capture slot`,
			);
			return undefined;
		},
		compile: ([slot], context) => {
			const index = numberArgument(slot) ?? -1;
			const isKnown = context.proxy?.kind === 'backend' || (index >= 0 && index < slotCount(side, context));
			if (!isKnown) return () => undefined;
			return (value, stream) => {
				const text = value as string;
				if (side === 'request') stream.setRequestCapture?.(index, text);
				else stream.setResponseCapture?.(index, text);
				return text;
			};
		},
	};
}

function slotCount(side: 'request' | 'response', { proxy }: CompileContext): number {
	if (proxy === undefined) return 0;
	return (side === 'request' ? requestCaptureSlots(proxy) : responseCaptureSlots(proxy)).length;
}

type Sink = (line: string) => void;

const SINKS: ReadonlyMap<string, Sink> = new Map<string, Sink>([
	['stdout', (line) => void process.stdout.write(line)],
	['stderr', (line) => void process.stderr.write(line)],
]);

/** `[debug] prefix: type=str <value>`; bytes end at the first zero, as text does. */
function debugLine(prefix: string, value: SampleValue): string {
	const shown = toText(value).replace(
		/[\x00-\x1f\x7f]/g,
		(char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
	);
	return `[debug] ${prefix}: type=${typeOf(value)} <${shown}>\n`;
}

const DEBUG: ConverterDescriptor = {
	name: 'debug',
	args: [optional('string'), optional('string')],
	input: 'any',
	output: 'any',
	check: ([, sink], context) => {
		const name = textArgument(sink) || 'buf0';
		if (SINKS.has(name)) return undefined;
		if (name !== 'buf0') return `No such sink '${name}'`;
		context.diagnostics.noticeOnce(
			'debug',
			context.place,
			"'debug' shows nothing without 'stdout' or 'stderr': there are no rings of events to look into.",
		);
		return undefined;
	},
	compile: ([prefixArgument, sinkArgument]) => {
		const prefix = textArgument(prefixArgument) ?? '';
		const sink = SINKS.get(textArgument(sinkArgument) ?? '');
		if (sink === undefined) return (value) => value;
		return (value) => {
			sink(debugLine(prefix, value));
			return value;
		};
	},
};

export const PASSING_CONVERTERS: readonly ConverterDescriptor[] = [
	captureRow('capture-req', 'request'),
	captureRow('capture-res', 'response'),
	DEBUG,
];
