/** The normalizers of `normalize-uri`: the manual's examples, and what HAProxy 2.6 made of stranger targets. */
import t from 'tap';
import { NORMALIZERS } from '../../lib/http/normalize-uri.js';

/** Targets that a normalizer changes, and to what; `undefined`: refused. Every other target of the list stays as it is. */
const CASES: Readonly<Record<string, Readonly<Record<string, string | undefined>>>> = {
	'fragment-encode': { '/#foo': '/%23foo', '/a#b#c': '/a%23b%23c', '/a?x#y': '/a?x%23y' },
	'fragment-strip': { '/#foo': '/', '/a#b#c': '/a', '/a?x#y': '/a?x' },
	'path-merge-slashes': {
		'//': '/',
		'//a///b': '/a/b',
		'/a//b?c//d': '/a/b?c//d',
		'//..': '/..',
		'/a//../b': '/a/../b',
	},
	'path-strip-dot': {
		'/.': '/',
		'/./': '/',
		'/./bar/': '/bar/',
		'/a/./a': '/a/a',
		'/a/.': '/a/',
		'/a/b/.?q': '/a/b/?q',
	},
	'path-strip-dotdot': {
		'/..': '/../',
		'/bar/../': '/',
		'/bar/..': '/',
		'/a/b/../../c': '/c',
		'/a/../../b': '/../b',
		'/../../a/b/../..': '/../../',
		'/foo/../': '/',
		'//..': '/',
		'/a//../b': '/a/b',
		'http://h/a/../b': 'http://h/b',
	},
	'path-strip-dotdot full': {
		'/..': '/',
		'/../': '/',
		'/bar/../': '/',
		'/bar/..': '/',
		'/a/b/../../c': '/c',
		'/a/../../b': '/b',
		'/../bar': '/bar',
		'/../../a/b/../..': '/',
		'/foo/../': '/',
		'//..': '/',
		'/a//../b': '/a/b',
		'http://h/a/../b': 'http://h/b',
	},
	'percent-decode-unreserved': {
		'/%61dmin': '/admin',
		'/%%36%36': '/%66',
		'/%7euser': '/~user',
		'/%7E%2d%5f': '/~-_',
		'/%2e%2e/x': '/../x',
		'/%6F': '/o',
		'/?b=%61&a=%zz': '/?b=a&a=%zz',
	},
	'percent-decode-unreserved strict': {
		'/%61dmin': '/admin',
		'/%%36%36': undefined,
		'/%7euser': '/~user',
		'/%7E%2d%5f': '/~-_',
		'/a%2': undefined,
		'/a%zz': undefined,
		'/%2e%2e/x': '/../x',
		'/%6F': '/o',
		'/%6g': undefined,
		'/?b=%61&a=%zz': undefined,
	},
	'percent-to-uppercase': {
		'/%7euser': '/%7Euser',
		'/%7E%2d%5f': '/%7E%2D%5F',
		'/%c3%bc': '/%C3%BC',
		'/%2e%2e/x': '/%2E%2E/x',
		'/%2f%3a': '/%2F%3A',
	},
	'percent-to-uppercase strict': {
		'/%%36%36': undefined,
		'/%7euser': '/%7Euser',
		'/%7E%2d%5f': '/%7E%2D%5F',
		'/a%2': undefined,
		'/a%zz': undefined,
		'/%c3%bc': '/%C3%BC',
		'/%2e%2e/x': '/%2E%2E/x',
		'/%6g': undefined,
		'/%2f%3a': '/%2F%3A',
		'/?b=%61&a=%zz': undefined,
	},
	'query-sort-by-name': {
		'/?c=3&a=1&b=2': '/?a=1&b=2&c=3',
		'/?aaa=3&a=1&aa=2': '/?a=1&aa=2&aaa=3',
		'/?a=3&b=4&a=1&b=5&a=2': '/?a=3&a=1&a=2&b=4&b=5',
		'/?a&': '/?a',
		'/?b=%61&a=%zz': '/?a=%zz&b=%61',
		'/?&&b&a': '/?&&a&b',
	},
};

const TARGETS = new Set([
	...Object.values(CASES).flatMap((cases) => Object.keys(cases)),
	'/',
	'/.well-known/',
	'/a/..b/c..',
	'/foo%3Fbar=baz',
	'/x?',
	'*',
	'/?x=1;y=2',
]);

for (const [name, normalizer] of NORMALIZERS) {
	t.test(name, async (t) => {
		const cases = CASES[name];
		t.ok(cases, 'has its cases');
		for (const target of TARGETS) {
			const expected = cases !== undefined && target in cases ? cases[target] : target;
			t.equal(normalizer(target), expected, target);
		}
	});
}
