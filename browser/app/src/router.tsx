// The addresses of the app. Each area is loaded with its words when it is
// first gone to.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { type Role, session } from './lib/session'
import { Broken, Nowhere, Root } from './root'
import { Rows } from './ui/skeleton'

/** Where somebody of the role begins. */
export const homeOf = (_role: Role) => '/me' as const

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
  component: lazyRouteComponent(() => import('./me/me'), 'Profile'),
})

const tree = root.addChildren([start, signIn, inside.addChildren([me])])

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
