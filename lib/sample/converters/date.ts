/**
 * Converters of dates (manual, 7.3.1): `http_date`, `utime`, `ltime`, and of milliseconds and microseconds as 3.x has them. The formats are those of strftime(3) in the C
 * locale; what strftime does not know is written as it stands.
 */
import { checkTimeUnit } from '../fetches/internal.js';
import type { ConverterDescriptor, SampleValue } from '../types.js';
import { numberArgument, optional, required, textArgument } from './define.js';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;
const MONTHS = [
	'January',
	'February',
	'March',
	'April',
	'May',
	'June',
	'July',
	'August',
	'September',
	'October',
	'November',
	'December',
] as const;

/** The range of a Date, in seconds: beyond it there is no calendar to speak of. */
const MAX_SECONDS = 8_640_000_000_000;

/** A moment as the calendar shows it, local or UTC. */
interface BrokenDown {
	readonly epochSeconds: number;
	readonly year: number;
	/** 0 to 11. */
	readonly month: number;
	readonly day: number;
	readonly hour: number;
	readonly minute: number;
	readonly second: number;
	/** 0 is Sunday. */
	readonly weekday: number;
	/** 0 to 365. */
	readonly yearDay: number;
	readonly offsetMinutes: number;
	readonly zone: string;
}

function breakDown(epochSeconds: number, local: boolean): BrokenDown {
	const date = new Date(epochSeconds * 1000);
	const offsetMinutes = local ? -date.getTimezoneOffset() : 0;
	// The local calendar is UTC's, moved: one set of getters serves both.
	const shown = new Date(date.getTime() + offsetMinutes * 60_000);
	const year = shown.getUTCFullYear();
	return {
		epochSeconds,
		year,
		month: shown.getUTCMonth(),
		day: shown.getUTCDate(),
		hour: shown.getUTCHours(),
		minute: shown.getUTCMinutes(),
		second: shown.getUTCSeconds(),
		weekday: shown.getUTCDay(),
		yearDay: Math.round((Date.UTC(year, shown.getUTCMonth(), shown.getUTCDate()) - Date.UTC(year, 0, 1)) / 86_400_000),
		offsetMinutes,
		zone: local ? zoneName(date) : 'GMT',
	};
}

function zoneName(date: Date): string {
	const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(date);
	return parts.find((part) => part.type === 'timeZoneName')?.value ?? '';
}

const pad = (value: number, width = 2, fill = '0'): string => String(value).padStart(width, fill);

/** ISO 8601: year and week that a day belongs to. */
function isoWeek(date: BrokenDown): { readonly year: number; readonly week: number } {
	const mondayFirst = (date.weekday + 6) % 7;
	const thursday = date.yearDay - mondayFirst + 3;
	if (thursday < 0) {
		const days = daysIn(date.year - 1);
		return { year: date.year - 1, week: Math.floor((thursday + days) / 7) + 1 };
	}
	if (thursday >= daysIn(date.year)) return { year: date.year + 1, week: 1 };
	return { year: date.year, week: Math.floor(thursday / 7) + 1 };
}

function daysIn(year: number): number {
	return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 366 : 365;
}

const hour12 = (date: BrokenDown): number => date.hour % 12 || 12;

function zoneOffset(date: BrokenDown): string {
	const size = Math.abs(date.offsetMinutes);
	return `${date.offsetMinutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}${pad(size % 60)}`;
}

const CONVERSIONS: ReadonlyMap<string, (date: BrokenDown) => string> = new Map<string, (date: BrokenDown) => string>([
	['a', (date) => (DAYS[date.weekday] ?? '').slice(0, 3)],
	['A', (date) => DAYS[date.weekday] ?? ''],
	['b', (date) => (MONTHS[date.month] ?? '').slice(0, 3)],
	['B', (date) => MONTHS[date.month] ?? ''],
	['c', (date) => formatDate('%a %b %e %H:%M:%S %Y', date)],
	['C', (date) => pad(Math.floor(date.year / 100))],
	['d', (date) => pad(date.day)],
	['D', (date) => formatDate('%m/%d/%y', date)],
	['e', (date) => pad(date.day, 2, ' ')],
	['F', (date) => formatDate('%Y-%m-%d', date)],
	['g', (date) => pad(isoWeek(date).year % 100)],
	['G', (date) => String(isoWeek(date).year)],
	['h', (date) => (MONTHS[date.month] ?? '').slice(0, 3)],
	['H', (date) => pad(date.hour)],
	['I', (date) => pad(hour12(date))],
	['j', (date) => pad(date.yearDay + 1, 3)],
	['k', (date) => pad(date.hour, 2, ' ')],
	['l', (date) => pad(hour12(date), 2, ' ')],
	['m', (date) => pad(date.month + 1)],
	['M', (date) => pad(date.minute)],
	['n', () => '\n'],
	['p', (date) => (date.hour < 12 ? 'AM' : 'PM')],
	['P', (date) => (date.hour < 12 ? 'am' : 'pm')],
	['r', (date) => formatDate('%I:%M:%S %p', date)],
	['R', (date) => formatDate('%H:%M', date)],
	['s', (date) => String(date.epochSeconds)],
	['S', (date) => pad(date.second)],
	['t', () => '\t'],
	['T', (date) => formatDate('%H:%M:%S', date)],
	['u', (date) => String(date.weekday || 7)],
	['U', (date) => pad(Math.floor((date.yearDay + 7 - date.weekday) / 7))],
	['V', (date) => pad(isoWeek(date).week)],
	['w', (date) => String(date.weekday)],
	['W', (date) => pad(Math.floor((date.yearDay + 7 - ((date.weekday + 6) % 7)) / 7))],
	['x', (date) => formatDate('%m/%d/%y', date)],
	['X', (date) => formatDate('%H:%M:%S', date)],
	['y', (date) => pad(date.year % 100)],
	['Y', (date) => String(date.year)],
	['z', zoneOffset],
	['Z', (date) => date.zone],
	['%', () => '%'],
]);

/** `%N`, `%3N`: the digits of the fraction, of nanoseconds when no number is given. */
function withFraction(format: string, nanoseconds: number): string {
	return format.replace(/%%|%([1-9])?N/g, (whole, width: string | undefined) =>
		whole === '%%' ? whole : pad(nanoseconds, 9).slice(0, Number(width ?? 9)),
	);
}

function formatDate(format: string, date: BrokenDown): string {
	return format.replace(/%[EO]?([A-Za-z%])/g, (whole, letter: string) => CONVERSIONS.get(letter)?.(date) ?? whole);
}

/** `perSecond` above 1: the input and the offset are in that unit, and `%N` shows the fraction. */
function timeRow(name: string, local: boolean, perSecond = 1): ConverterDescriptor {
	return {
		name,
		args: [required('string'), optional('sint')],
		input: 'sint',
		output: 'str',
		compile: ([formatArgument, offsetArgument]) => {
			const format = textArgument(formatArgument) ?? '';
			const offset = numberArgument(offsetArgument) ?? 0;
			return (value) => {
				const units = Number(value as number | bigint) + offset;
				const seconds = Math.floor(units / perSecond);
				if (Math.abs(seconds) > MAX_SECONDS) return undefined;
				const nanoseconds = (units - seconds * perSecond) * (1_000_000_000 / perSecond);
				const whole = perSecond === 1 ? format : withFraction(format, nanoseconds);
				return formatDate(whole, breakDown(seconds, local));
			};
		},
	};
}

/** Divisor to seconds, and the digits of what remains. */
const UNITS: ReadonlyMap<string, { readonly perSecond: number; readonly digits: number }> = new Map([
	['s', { perSecond: 1, digits: 0 }],
	['ms', { perSecond: 1000, digits: 3 }],
	['us', { perSecond: 1_000_000, digits: 6 }],
]);

/** RFC 9110, section 5.6.7, with a fraction for the finer units. */
function httpDate(value: SampleValue, offset: number, perSecond: number, digits: number): string | undefined {
	const units = Number(value as number | bigint) + offset;
	const seconds = Math.floor(units / perSecond);
	if (Math.abs(seconds) > MAX_SECONDS) return undefined;
	const date = breakDown(seconds, false);
	const fraction = digits === 0 ? '' : `.${pad(units - seconds * perSecond, digits)}`;
	return `${formatDate('%a, %d %b %Y %H:%M:%S', date)}${fraction} GMT`;
}

export const DATE_CONVERTERS: readonly ConverterDescriptor[] = [
	timeRow('utime', false),
	timeRow('ltime', true),
	timeRow('ms_utime', false, 1000),
	timeRow('ms_ltime', true, 1000),
	timeRow('us_utime', false, 1_000_000),
	timeRow('us_ltime', true, 1_000_000),
	{
		name: 'http_date',
		args: [optional('sint'), optional('string')],
		input: 'sint',
		output: 'str',
		check: (args) => checkTimeUnit(args, 1),
		compile: ([offsetArgument, unitArgument]) => {
			const offset = numberArgument(offsetArgument) ?? 0;
			const unit = UNITS.get(textArgument(unitArgument) || 's');
			const perSecond = unit?.perSecond ?? 1;
			const digits = unit?.digits ?? 0;
			return (value) => httpDate(value, offset, perSecond, digits);
		},
	},
];
