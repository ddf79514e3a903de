import { CSPProvider } from '@base-ui/react/csp-provider'
import { DirectionProvider } from '@base-ui/react/direction-provider'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { Fragment, lazy, Suspense } from 'react'
import { Asking, useAsked } from './lib/asking'
import { queries } from './lib/query'
import { dir, useLanguage } from './lib/words'
import { router } from './router'
import { useAnySaid } from './ui/toast'

const Toasts = lazy(() => import('./ui/toasts').then((m) => ({ default: m.Toasts })))
const Overlay = lazy(() => import('./signin/overlay').then((m) => ({ default: m.Overlay })))

/** Loaded when the server first asks for more than the session has. */
function Asked() {
  return useAsked() ? <Suspense><Overlay /></Suspense> : null
}

/** Loaded when something is first said. */
function Saying() {
  return useAnySaid() ? <Suspense><Toasts /></Suspense> : null
}

export function App() {
  const language = useLanguage()
  return (
    <CSPProvider disableStyleElements>
      <DirectionProvider direction={dir()}>
        <QueryClientProvider client={queries}>
          <Asking>
            <Fragment key={language}>
              <RouterProvider router={router} />
              <Asked />
            </Fragment>
            <Saying />
          </Asking>
        </QueryClientProvider>
      </DirectionProvider>
    </CSPProvider>
  )
}
