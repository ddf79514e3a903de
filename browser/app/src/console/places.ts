import type { Permission, Reach } from '../lib/me'
import type { Key } from '../lib/words'
import type { IconName } from '../ui/icon'

export interface Place {
  to: '/console/start' | '/console/board' | '/console/leads' | '/console/routing' | '/console/reports' | '/console/people' | '/console/projects' | '/console/sources' | '/console/held' | '/console/alarms' | '/console/roles' | '/console/settings' | '/console/keys' | '/console/webhooks' | '/console/files' | '/console/pictures' | '/console/record' | '/console/openings' | '/console/grants' | '/console/requests' | '/console/platform/grants' | '/console/platform/approvals' | '/console/platform/reports' | '/console/platform' | '/console/platform/keys' | '/console/platform/record'
  words: Key
  icon: IconName
  /** The letter after g. */
  letter: string
  may: Permission[]
}

/** The screens in the order of the navigation; who holds one of the rights sees it. A letter may be twice where nobody holds both rights. */
export const places: Place[] = [
  { to: '/console/board', words: 'console.nav.board', icon: 'pulse', letter: 'b', may: ['reports:read'] },
  { to: '/console/leads', words: 'console.nav.leads', icon: 'list', letter: 'l', may: ['leads:read'] },
  { to: '/console/alarms', words: 'console.nav.alarms', icon: 'bell', letter: 'a', may: ['leads:read'] },
  { to: '/console/held', words: 'console.nav.held', icon: 'held', letter: 'q', may: ['leads:move'] },
  { to: '/console/reports', words: 'console.nav.reports', icon: 'chart', letter: 'f', may: ['reports:read'] },
  { to: '/console/routing', words: 'console.nav.routing', icon: 'route', letter: 'r', may: ['setup:read'] },
  { to: '/console/people', words: 'console.nav.people', icon: 'people', letter: 'u', may: ['setup:read'] },
  { to: '/console/projects', words: 'console.nav.projects', icon: 'home', letter: 'y', may: ['setup:read'] },
  { to: '/console/sources', words: 'console.nav.sources', icon: 'inlet', letter: 'o', may: ['setup:read'] },
  { to: '/console/keys', words: 'console.nav.keys', icon: 'key', letter: 'k', may: ['keys:manage'] },
  { to: '/console/webhooks', words: 'console.nav.webhooks', icon: 'message', letter: 'd', may: ['keys:manage'] },
  { to: '/console/files', words: 'console.nav.files', icon: 'swap', letter: 'i', may: ['leads:import', 'leads:export'] },
  { to: '/console/pictures', words: 'console.nav.pictures', icon: 'image', letter: 'z', may: ['content:draft'] },
  { to: '/console/roles', words: 'console.nav.roles', icon: 'tag', letter: 'w', may: ['people:manage'] },
  { to: '/console/settings', words: 'console.nav.settings', icon: 'sliders', letter: 'n', may: ['people:manage'] },
  { to: '/console/record', words: 'console.nav.record', icon: 'book', letter: 'v', may: ['record:read'] },
  { to: '/console/openings', words: 'console.nav.openings', icon: 'opened', letter: 'p', may: ['record:read'] },
  { to: '/console/grants', words: 'console.nav.grants', icon: 'lock', letter: 't', may: ['record:read'] },
  { to: '/console/requests', words: 'console.nav.requests', icon: 'person', letter: 'j', may: ['privacy:manage'] },
  { to: '/console/start', words: 'console.nav.start', icon: 'steps', letter: 's', may: ['setup:manage'] },
  { to: '/console/platform', words: 'console.nav.platform', icon: 'server', letter: 'h', may: ['platform:run'] },
  { to: '/console/platform/keys', words: 'console.nav.platformKeys', icon: 'key', letter: 'c', may: ['platform:run'] },
  { to: '/console/platform/record', words: 'console.nav.platformRecord', icon: 'book', letter: 'e', may: ['platform:record'] },
  { to: '/console/platform/grants', words: 'console.nav.granted', icon: 'opened', letter: 'm', may: ['platform:grants'] },
  { to: '/console/platform/approvals', words: 'console.nav.approvals', icon: 'warn', letter: 'x', may: ['platform:record'] },
  { to: '/console/platform/reports', words: 'console.nav.concerns', icon: 'inlet', letter: 'z', may: ['platform:run'] },
]

export const open = (may: (p: Permission) => Reach | undefined) => places.filter((p) => p.may.some(may))

/** Whether the role has the screen at this address; one that is in no list is judged by the server alone. */
export function allowed(path: string, may: (p: Permission) => Reach | undefined): boolean {
  const at = places.filter((p) => path === p.to || path.startsWith(p.to + '/')).sort((a, b) => b.to.length - a.to.length)[0]
  return !at || at.may.some(may)
}
