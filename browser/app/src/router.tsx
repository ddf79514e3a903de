// The addresses of the app. Each area is loaded with its words when it is
// first gone to.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect, retainSearchParams } from '@tanstack/react-router'
import { isList, type ListName } from './desk/lists'
import { isWhole } from './lib/before'
import { type Role, session } from './lib/session'
import { useArea } from './lib/words'
import { Broken, Nowhere, Root } from './root'
import { Rows } from './ui/skeleton'

/** Where somebody of the role begins: salespeople at the desk, managers among their team while they are on a phone. */
export const homeOf = (role: Role) => {
  if (role === 'salesperson') return '/desk' as const
  return role === 'manager' && matchMedia('(max-width: 759px)').matches ? ('/desk/team' as const) : ('/console' as const)
}

const root = createRootRoute({ component: Root, notFoundComponent: Nowhere, errorComponent: Broken })

const start = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    const s = session.get()
    throw s ? redirect({ to: homeOf(s.role), replace: true }) : redirect({ to: '/sign-in', replace: true })
  },
})

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (s: Record<string, unknown>) => (typeof s.to === 'string' ? { to: s.to } : {}) as { to?: string },
  component: lazyRouteComponent(() => import('./signin/signin'), 'SignIn'),
})

/** Where a one-time link leads: its token is after the #, which no server sees. */
const join = createRoute({
  getParentRoute: () => root,
  path: '/join',
  component: lazyRouteComponent(() => import('./signin/join'), 'Join'),
})

/** Everything behind the sign-in; who is not signed in comes back here afterwards. */
export const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  beforeLoad: ({ location }) => {
    if (!session.get()) throw redirect({ to: '/sign-in', search: { to: location.href }, replace: true })
  },
})

const me = createRoute({
  getParentRoute: () => inside,
  path: '/me',
  beforeLoad: () => useArea('desk/local'),
  component: lazyRouteComponent(() => import('./me/me'), 'Profile'),
})

const text = (v: unknown) => (typeof v === 'string' && v ? v : undefined)

const desktop = createRoute({
  getParentRoute: () => inside,
  path: '/console',
  // The project that is looked at goes along from screen to screen.
  validateSearch: (s: Record<string, unknown>): { project?: string } => ({ project: text(s.project) }),
  search: { middlewares: [retainSearchParams(['project'])] },
  beforeLoad: () => useArea('console'),
  component: lazyRouteComponent(() => import('./console/console'), 'Console'),
})
const consoleStart = createRoute({
  getParentRoute: () => desktop,
  path: '/',
  component: lazyRouteComponent(() => import('./console/console'), 'Begin'),
})
const steps = createRoute({
  getParentRoute: () => desktop,
  path: '/start',
  component: lazyRouteComponent(() => import('./console/start'), 'Start'),
})
const board = createRoute({
  getParentRoute: () => desktop,
  path: '/board',
  component: lazyRouteComponent(() => import('./console/board'), 'Board'),
})

export interface LeadFilter {
  state?: 'waiting' | 'offered' | 'owned' | 'unrouted'
  category?: 'new' | 'follow-up' | 'won' | 'dropped'
  stage?: string
  source?: string
  owner?: string
  tag?: string
  /** A person's id, where an opening leads to their leads. */
  person?: string
  list?: 'overdue' | 'due-today' | 'no-next-action' | 'missed' | 're-engaged' | 'new-without-contact'
  /** A pool: what its members own. */
  team?: string
  /** When the first enquiry was received, RFC 3339. */
  from?: string
  to?: string
  origin?: string
  campaign?: string
  came?: 'offered' | 'accepted' | 'attempted' | 'contacted' | 'visited' | 'booked'
  /** A span of speeds to lead in milliseconds: "2048-4096". */
  speed?: string
  test?: true
  /** With the persons' names, which goes on the record. */
  names?: true
  /** A kept view by its id, which takes the place of all this. */
  view?: string
}
const oneOf = <V extends string>(values: readonly V[], v: unknown) => (values.includes(v as V) ? (v as V) : undefined)
const moment = (v: unknown) => (typeof v === 'string' && !Number.isNaN(Date.parse(v)) ? new Date(v).toISOString() : undefined)
const yes = (v: unknown) => (v === true || v === 'true' ? (true as const) : undefined)

const leads = createRoute({
  getParentRoute: () => desktop,
  path: '/leads',
  validateSearch: (s: Record<string, unknown>): LeadFilter => ({
    state: oneOf(['waiting', 'offered', 'owned', 'unrouted'], s.state),
    category: oneOf(['new', 'follow-up', 'won', 'dropped'], s.category),
    stage: text(s.stage),
    source: text(s.source),
    owner: text(s.owner),
    tag: text(s.tag),
    person: text(s.person),
    list: oneOf(['overdue', 'due-today', 'no-next-action', 'missed', 're-engaged', 'new-without-contact'], s.list),
    team: text(s.team),
    from: moment(s.from),
    to: moment(s.to),
    origin: text(s.origin),
    campaign: text(s.campaign),
    came: oneOf(['offered', 'accepted', 'attempted', 'contacted', 'visited', 'booked'], s.came),
    speed: typeof s.speed === 'string' && /^\d{1,12}-\d{1,12}$/.test(s.speed) ? s.speed : undefined,
    test: yes(s.test),
    names: yes(s.names),
    view: text(s.view),
  }),
  component: lazyRouteComponent(() => import('./console/leads'), 'Leads'),
})
const story = createRoute({
  getParentRoute: () => desktop,
  path: '/leads/$id',
  component: lazyRouteComponent(() => import('./console/story'), 'Story'),
})

const routing = createRoute({
  getParentRoute: () => desktop,
  path: '/routing',
  component: lazyRouteComponent(() => import('./console/routing'), 'Routing'),
})
const draft = createRoute({
  getParentRoute: () => desktop,
  path: '/routing/new',
  beforeLoad: ({ search }) => {
    if (!search.from) throw redirect({ to: '/console/routing', replace: true }) // a version begins with another
  },
  validateSearch: (s: Record<string, unknown>): { from?: string } => ({ from: text(s.from) }),
  component: lazyRouteComponent(() => import('./console/draft'), 'Draft'),
})
const policy = createRoute({
  getParentRoute: () => desktop,
  path: '/routing/$id',
  component: lazyRouteComponent(() => import('./console/policy'), 'PolicyPage'),
})

export interface ReportView {
  by?: 'source' | 'campaign' | 'origin' | 'project' | 'salesperson' | 'team' | 'hour'
  days?: number
  /** Beside the days before them. */
  compare?: true
}
const reports = createRoute({
  getParentRoute: () => desktop,
  path: '/reports',
  validateSearch: (s: Record<string, unknown>): ReportView => ({
    by: oneOf(['source', 'campaign', 'origin', 'project', 'salesperson', 'team', 'hour'], s.by),
    days: [1, 7, 28, 90].find((d) => d === Number(s.days)),
    compare: yes(s.compare),
  }),
  component: lazyRouteComponent(() => import('./console/reports'), 'Reports'),
})

const people = createRoute({
  getParentRoute: () => desktop,
  path: '/people',
  validateSearch: (s: Record<string, unknown>): { role?: string } => ({ role: text(s.role) }),
  component: lazyRouteComponent(() => import('./console/people'), 'People'),
})
const colleague = createRoute({
  getParentRoute: () => desktop,
  path: '/people/$id',
  component: lazyRouteComponent(() => import('./console/person'), 'Colleague'),
})

const projects = createRoute({
  getParentRoute: () => desktop,
  path: '/projects',
  component: lazyRouteComponent(() => import('./console/projects'), 'ProjectList'),
})
const project = createRoute({
  getParentRoute: () => desktop,
  path: '/projects/$id',
  component: lazyRouteComponent(() => import('./console/projects'), 'ProjectPage'),
})
const sources = createRoute({
  getParentRoute: () => desktop,
  path: '/sources',
  component: lazyRouteComponent(() => import('./console/sources'), 'Sources'),
})
const source = createRoute({
  getParentRoute: () => desktop,
  path: '/sources/$id',
  beforeLoad: () => useArea('inlet'),
  component: lazyRouteComponent(() => import('./console/sources'), 'SourcePage'),
})
const held = createRoute({
  getParentRoute: () => desktop,
  path: '/held',
  validateSearch: (s: Record<string, unknown>): { tab?: 'held' | 'kept' | 'released' | 'dead' } => ({ tab: oneOf(['held', 'kept', 'released', 'dead'], s.tab) }),
  component: lazyRouteComponent(() => import('./console/held'), 'Held'),
})
const keys = createRoute({
  getParentRoute: () => desktop,
  path: '/keys',
  beforeLoad: () => useArea('inlet'),
  component: lazyRouteComponent(() => import('./inlet/keys'), 'Keys'),
})
const webhooks = createRoute({
  getParentRoute: () => desktop,
  path: '/webhooks',
  beforeLoad: () => useArea('inlet'),
  component: lazyRouteComponent(() => import('./inlet/webhooks'), 'Webhooks'),
})
const files = createRoute({
  getParentRoute: () => desktop,
  path: '/files',
  validateSearch: (s: Record<string, unknown>): { import?: string } => ({ import: text(s.import) }),
  beforeLoad: () => Promise.all([useArea('inlet'), useArea('fault')]),
  component: lazyRouteComponent(() => import('./inlet/files'), 'Files'),
})
const pictures = createRoute({
  getParentRoute: () => desktop,
  path: '/pictures',
  beforeLoad: () => Promise.all([useArea('inlet'), useArea('fault')]),
  component: lazyRouteComponent(() => import('./inlet/pictures'), 'Pictures'),
})
const alarms = createRoute({
  getParentRoute: () => desktop,
  path: '/alarms',
  validateSearch: (s: Record<string, unknown>): { state?: 'cleared' } => ({ state: oneOf(['cleared'], s.state) }),
  component: lazyRouteComponent(() => import('./console/alarms'), 'Alarms'),
})
const record = createRoute({
  getParentRoute: () => desktop,
  path: '/record',
  validateSearch: (s: Record<string, unknown>): { about?: string } => ({ about: text(s.about) }),
  component: lazyRouteComponent(() => import('./console/record'), 'Record'),
})

/** Whose openings: at most one of about and grant. */
export interface OpeningFilter {
  actor?: string
  /** A lead, person or user. */
  about?: string
  grant?: string
  purpose?: string
  from?: string
  to?: string
}
const openings = createRoute({
  getParentRoute: () => desktop,
  path: '/openings',
  validateSearch: (s: Record<string, unknown>): OpeningFilter => ({ actor: text(s.actor), about: text(s.about), grant: text(s.grant), purpose: text(s.purpose), from: moment(s.from), to: moment(s.to) }),
  beforeLoad: () => useArea('opening'),
  component: lazyRouteComponent(() => import('./opening/openings'), 'Openings'),
})
const requests = createRoute({
  getParentRoute: () => desktop,
  path: '/requests',
  validateSearch: (s: Record<string, unknown>): { tab?: 'answered'; id?: string; person?: string; make?: true } => ({ tab: oneOf(['answered'], s.tab), id: text(s.id), person: text(s.person), make: s.make ? true : undefined }),
  beforeLoad: () => useArea('opening'),
  component: lazyRouteComponent(() => import('./opening/requests'), 'Requests'),
})
const grants = createRoute({
  getParentRoute: () => desktop,
  path: '/grants',
  validateSearch: (s: Record<string, unknown>): { state?: 'waiting' | 'ended'; id?: string } => ({ state: oneOf(['waiting', 'ended'], s.state), id: text(s.id) }),
  beforeLoad: () => useArea('opening'),
  component: lazyRouteComponent(() => import('./opening/grants'), 'Grants'),
})
const granted = createRoute({
  getParentRoute: () => desktop,
  path: '/platform/grants',
  beforeLoad: () => useArea('opening'),
  component: lazyRouteComponent(() => import('./opening/mine'), 'Granted'),
})
const grantedOne = createRoute({
  getParentRoute: () => desktop,
  path: '/platform/grants/$id',
  beforeLoad: () => useArea('opening'),
  component: lazyRouteComponent(() => import('./opening/mine'), 'GrantedOne'),
})
const approvals = createRoute({
  getParentRoute: () => desktop,
  path: '/platform/approvals',
  beforeLoad: () => useArea('opening'),
  component: lazyRouteComponent(() => import('./opening/approvals'), 'Approvals'),
})
const concerns = createRoute({
  getParentRoute: () => desktop,
  path: '/platform/reports',
  validateSearch: (s: Record<string, unknown>): { all?: true; id?: string } => ({ all: s.all ? true : undefined, id: text(s.id) }),
  beforeLoad: () => useArea('opening'),
  component: lazyRouteComponent(() => import('./opening/concerns'), 'Concerns'),
})
export interface LogFilter {
  level?: 'warn' | 'error'
  part?: string
  account?: string
  request?: string
}
const log = createRoute({
  getParentRoute: () => desktop,
  path: '/platform/approvals/$id',
  validateSearch: (s: Record<string, unknown>): LogFilter => ({ level: oneOf(['warn', 'error'], s.level), part: text(s.part), account: text(s.account), request: text(s.request) }),
  beforeLoad: () => useArea('opening'),
  component: lazyRouteComponent(() => import('./opening/log'), 'Log'),
})
const teamPage = createRoute({
  getParentRoute: () => desktop,
  path: '/routing/team/$project',
  component: lazyRouteComponent(() => import('./console/team'), 'TeamPage'),
})
const roles = createRoute({
  getParentRoute: () => desktop,
  path: '/roles',
  component: lazyRouteComponent(() => import('./console/roles'), 'Roles'),
})
const settings = createRoute({
  getParentRoute: () => desktop,
  path: '/settings',
  component: lazyRouteComponent(() => import('./console/settings'), 'Settings'),
})
const platform = createRoute({
  getParentRoute: () => desktop,
  path: '/platform',
  component: lazyRouteComponent(() => import('./console/operate'), 'Platform'),
})
const platformKeys = createRoute({
  getParentRoute: () => desktop,
  path: '/platform/keys',
  component: lazyRouteComponent(() => import('./console/platformkeys'), 'PlatformKeys'),
})
const platformRecord = createRoute({
  getParentRoute: () => desktop,
  path: '/platform/record',
  component: lazyRouteComponent(() => import('./console/operate'), 'PlatformRecord'),
})

const desk = createRoute({
  getParentRoute: () => inside,
  path: '/desk',
  beforeLoad: () => useArea('desk'),
  component: lazyRouteComponent(() => import('./desk/desk'), 'Desk'),
})

const day = createRoute({
  getParentRoute: () => desk,
  path: '/',
  validateSearch: (s: Record<string, unknown>): { list?: ListName; offer?: string } => ({ list: isList(s.list) ? s.list : undefined, offer: text(s.offer) }),
  // What came before the app did is there when the day is first drawn; nothing else is waited for.
  loader: async ({ location }) => {
    if (isWhole()) await (await import('./desk/data')).firstDay((location.search as { list?: ListName }).list)
  },
  component: lazyRouteComponent(() => import('./desk/day'), 'Day'),
})
const search = createRoute({
  getParentRoute: () => desk,
  path: '/search',
  component: lazyRouteComponent(() => import('./desk/search'), 'Search'),
})
const team = createRoute({
  getParentRoute: () => desk,
  path: '/team',
  component: lazyRouteComponent(() => import('./desk/team'), 'Team'),
})
const lead = createRoute({
  getParentRoute: () => desk,
  path: '/leads/$id',
  beforeLoad: () => useArea('desk/local'),
  validateSearch: (s: Record<string, unknown>): { accepted?: boolean } => (s.accepted ? { accepted: true } : {}),
  component: lazyRouteComponent(() => import('./desk/lead'), 'LeadPage'),
})

const tree = root.addChildren([
  start,
  signIn,
  join,
  inside.addChildren([me, desk.addChildren([day, search, team, lead]), desktop.addChildren([consoleStart, steps, board, leads, story, routing, draft, policy, reports, people, colleague, projects, project, sources, source, held, alarms, record, teamPage, roles, settings, keys, webhooks, files, pictures, platform, platformKeys, platformRecord, openings, requests, grants, granted, grantedOne, approvals, concerns, log])]),
])

export const router = createRouter({
  routeTree: tree,
  basepath: '/app',
  defaultPreload: 'intent',
  defaultPendingMs: 100,
  defaultPendingMinMs: 0,
  defaultPendingComponent: () => <Rows tall />,
  scrollRestoration: true,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
