"""What runs in the peers' environment, without tfvae: detectors of PyOD, the TVAE of ctgan."""
