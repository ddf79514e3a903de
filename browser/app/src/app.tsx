import { CSPProvider } from '@base-ui/react/csp-provider'
import { DirectionProvider } from '@base-ui/react/direction-provider'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { Asking, useAsked } from './lib/asking'
import { queries } from './lib/query'
import { dir, useLanguage } from './lib/words'
import { router } from './router'
import { Toasts } from './ui/toast'

const Overlay = lazy(() => import('./signin/overlay').then((m) => ({ default: m.Overlay })))

/** Loaded when the server first asks for more than the session has. */
function Asked() {
  return useAsked() ? <Suspense><Overlay /></Suspense> : null
}

export function App() {
  const language = useLanguage()
  return (
    <CSPProvider disableStyleElements>
      <DirectionProvider direction={dir()}>
        <QueryClientProvider client={queries}>
          <Asking>
            <Toasts key={language}>
              <RouterProvider router={router} />
              <Asked />
            </Toasts>
          </Asking>
        </QueryClientProvider>
      </DirectionProvider>
    </CSPProvider>
  )
}
